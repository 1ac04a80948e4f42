# The demo, on a CPU or with CUDA:
#   docker build -t videovq . && docker run --rm -v videovq:/work videovq
#   docker build -t videovq --build-arg BASE=nvidia/cuda:13.0.1-base-ubuntu24.04 . && docker run --rm --gpus all -v videovq:/work videovq
# Any other command likewise: docker run --rm -v videovq:/work videovq rollout --pretrained dmlab-small
ARG BASE=python:3.12-slim
FROM ${BASE}

# PyTorch's usual build is the one for CUDA, several GB. For a CPU alone, give the URL that https://pytorch.org/get-started
# shows for "CPU": --build-arg TORCH_INDEX=URL
ARG TORCH_INDEX=""

# CUDA's images bring no Python.
RUN python3 -m ensurepip --version || { apt-get update && apt-get install --yes --no-install-recommends python3-venv; }
RUN python3 -m venv /opt/videovq
ENV PATH=/opt/videovq/bin:$PATH PIP_NO_CACHE_DIR=1
RUN test -z "$TORCH_INDEX" || pip install torch torchvision --index-url "$TORCH_INDEX"
COPY pyproject.toml README.md LICENSE /source/
COPY videovq /source/videovq
COPY configs /source/configs
RUN pip install '/source[record,play]'

RUN useradd --create-home videovq && mkdir /work && chown videovq /work
USER videovq
WORKDIR /work
ENTRYPOINT ["videovq"]
CMD ["demo"]
