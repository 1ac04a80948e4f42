"""A dream in TorchRL: the Gymnasium environment behind transforms, and a batch of its steps.

    pip install '.[gym]' torchrl
    python docs/examples/torchrl_world.py [STEPS]

Pictures become float tensors, channels first, of 42 x 42; `STEPS` (16) steps of random actions are collected as one
TensorDict, whose shapes are printed: what TorchRL's losses and replay buffers take.
"""

import argparse

if __name__ == "__main__":  # before what takes long to import, or is not there
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("STEPS", type=int, nargs="?", default=16)
    STEPS = parser.parse_args().STEPS

try:
    import gymnasium
    from torchrl.envs import Compose, GymWrapper, Resize, StepCounter, ToTensorImage, TransformedEnv

    import videovq.gym
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}; pip install '.[gym]' torchrl") from None

dream = GymWrapper(gymnasium.make(videovq.gym.ID, pretrained="dmlab-small"), categorical_action_encoding=True)
world = TransformedEnv(dream, Compose(ToTensorImage(), Resize(42, 42), StepCounter()))
world.set_seed(0)
steps = world.rollout(STEPS)
seen = steps["next", "pixels"]
print(f"{len(steps)} steps: pixels {tuple(seen.shape)} from {seen.min():.2f} to {seen.max():.2f}")
world.close()
