// In place of a server: a worker of this page that dreams (dream.js). The exports are those of the server's page.

/** Calls `on.message(object)`, `on.frame(packet)` and `on.closed(text)`. */
export function connect(on) {
  let hello, worker;
  document.getElementById("status").textContent = "Loading the networks …";
  const waiting = [], answers = new Map();
  isolated().catch(() => {}).then(() => {  // where the browser keeps storage shut, one thread will do
    worker = new Worker(new URL("dream.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => {
      if (!data.type) return on.frame(data);
      if (data.type === "taken") return answers.get(data.name)();
      if (data.type === "hello") hello = data;
      if (data.type === "broken") return on.closed(data.why);
      on.message(data);
    };
    worker.onerror = (event) => on.closed(`The networks cannot run here: ${event.message ?? "no module workers"}.`);
    waiting.forEach((message) => worker.postMessage(message));
  });
  const send = (message) => (worker ? worker.postMessage(message) : waiting.push(message));
  return {
    send,
    /** Take a file in as a scene. */
    async upload(file) {
      const name = `upload ${file.name}`, { frames, picture } = await shrunk(file, hello);
      const taken = new Promise((done) => answers.set(name, done));
      send({ type: "scene", name, frames });
      await taken;
      return { name, frames: frames.length, picture };
    },
    recording: (ending, frames, rate) => recorded(frames, rate, hello.size),
  };
}

/** Threads need two headers: isolate.js adds them, from the second load of the page on. */
async function isolated() {
  if (crossOriginIsolated || !navigator.serviceWorker || sessionStorage.getItem("isolated")) return;
  sessionStorage.setItem("isolated", "tried");
  try {
    await navigator.serviceWorker.register("isolate.js");
    await navigator.serviceWorker.ready;
  } catch {
    return;  // one thread will do
  }
  location.reload();
  await new Promise(() => {});
}

/** The first frames of a video, or an image: cut and shrunk, RGB. */
async function shrunk(file, hello) {
  const [height, width] = hello.size, url = URL.createObjectURL(file), video = document.createElement("video");
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.imageSmoothingQuality = "high";
  const take = (source, w, h) => {
    const scale = Math.max(width / w, height / h);
    pen.drawImage(source, (width - w * scale) / 2, (height - h * scale) / 2, w * scale, h * scale);
    const { data } = pen.getImageData(0, 0, width, height);
    return Uint8Array.from({ length: 3 * width * height }, (_, i) => data[4 * Math.floor(i / 3) + (i % 3)]);
  };
  const frames = [];
  try {
    video.muted = true;
    video.preload = "auto";
    await happens(video, "loadeddata", () => { video.src = url; });
    for (let t = 0; t < hello.upload_frames && t / hello.rate < Math.max(video.duration, 1 / hello.rate); t++) {
      await happens(video, "seeked", () => { video.currentTime = Math.min((t + 0.5) / hello.rate, video.duration); });
      frames.push(take(video, video.videoWidth, video.videoHeight));
    }
  } catch {
    throw new Error(`${file.name}: this browser cannot show it; bring an MP4 or WebM`);
  } finally {
    URL.revokeObjectURL(url);
  }
  return { frames, picture: canvas.toDataURL() };
}

/** Wait for an event of an element that `begin` leads to. */
function happens(element, name, begin) {
  return new Promise((done, failed) => {
    element.addEventListener(name, done, { once: true });
    element.addEventListener("error", failed, { once: true });
    begin();
  });
}

/** The dream as WebM, as long as it takes to watch it: browsers encode in real time. */
async function recorded(frames, rate, [height, width]) {
  const larger = Math.max(1, Math.floor(480 / Math.max(height, width)));
  const canvas = Object.assign(document.createElement("canvas"), { width: width * larger, height: height * larger });
  const pen = canvas.getContext("2d"), parts = [];
  pen.imageSmoothingEnabled = false;
  const recorder = new MediaRecorder(canvas.captureStream(), { mimeType: "video/webm", videoBitsPerSecond: 4e6 });
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const over = new Promise((done) => { recorder.onstop = done; });
  recorder.start();
  for (const frame of frames) {
    pen.drawImage(await createImageBitmap(frame.picture), 0, 0, canvas.width, canvas.height);
    await new Promise((done) => setTimeout(done, 1000 / rate));
  }
  recorder.stop();
  await over;
  return new Blob(parts, { type: "video/webm" });
}
