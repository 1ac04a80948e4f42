// The page: one dream at a time, asked for frame by frame.

import { connect } from "./connection.js";
import { makeControls } from "./controls.js";
import { download } from "./download.js";
import { CodeView, Strip } from "./views.js";

const $ = (id) => document.getElementById(id);
const form = $("sampling");

let model, controls, codeView, strip;
let clip;               // name of the scene
let frames = [];        // packets of the dream so far, each with the action that led to it
let shown = 0;          // number of the frame that is shown
let begun = false;      // a dream is there, and no other has been asked for
let starting = false;   // one has been asked for
let again = false;      // and another one meanwhile
let asked = null;       // what was asked of the server and has not come: {action, at}
let once = null;        // an action to take once
let running = false;    // time flows while nothing is held
let replay = null;      // {actions, sampling, digest, at} while one is played
let due = 0, rate = 10, spent = 0, pace = 0, before = 0;
let drawing = Promise.resolve();

function say(text, wrong = false) {
  $("status").textContent = text;
  $("status").classList.toggle("wrong", wrong);
}

const connection = connect({
  // Messages wait for the frames before them to be drawn.
  message(message) {
    drawing = drawing.then(() => told(message));
  },
  frame(packet) {
    drawing = drawing.then(() => arrived(packet));
  },
  closed(why) {
    begun = false;
    say(`${why} Reload the page to play again.`, true);
  },
});

function told(message) {
  if (message.type === "hello") welcome(message);
  else if (message.type === "started") started(message);
  else if (message.type === "replay") download(new Blob([JSON.stringify(message.replay)], { type: "application/json" }), "dream.json");
  else if (message.type === "refused") {
    asked = replay = null;
    starting = again = false;
    begun = frames.length > 0;
    run(false);
    say(message.why, true);
  }
}

function welcome(hello) {
  model = hello;
  const [height, width] = model.size;
  $("world").textContent = `: ${model.name}`;
  document.title = `videovq play: ${model.name}`;
  Object.assign($("frame"), { width, height });
  controls = makeControls(model.actions, $("pad"), $("others"), (action) => { once = action; replay = null; });
  $("hint").textContent = `${controls.hint} Keys: P play or pause, R restart, full stop one step. Choose an earlier frame and act there to branch.`;
  codeView = new CodeView($("codes"), $("code-note"), model);
  $("scale-most").textContent = Number(codeView.most.toFixed(1));
  strip = new Strip($("strip"), $("moment"), (number) => view(number));
  rate = Math.max(1, Math.round(model.rate));
  Object.assign($("rate"), { max: Math.max(30, rate), value: rate });
  $("rate-value").textContent = `${rate} frames/s`;
  form.top_k.max = model.codes;
  $("guidance").hidden = !model.guidance;
  for (const name of ["top_k", "top_p"]) form[name].parentElement.hidden = !(name in model.sampling);
  model.recordings.forEach(record);
  $("sampling-note").textContent = model.guidance
    ? "Seed and guidance count from the next restart on, the others at once." : "The seed counts from the next restart on, the others at once.";
  fill({ ...model.sampling, seed: model.seed, guidance: 1 });
  model.clips.forEach(offer);
  choose(model.clips[0].name);
  requestAnimationFrame(tick);
}

function offer(scene) {
  const button = document.createElement("button"), picture = document.createElement("img");
  picture.src = scene.picture;
  picture.alt = "";
  button.append(picture);
  button.title = scene.name;
  button.setAttribute("aria-label", `Scene ${scene.name}`);
  button.dataset.clip = scene.name;
  button.addEventListener("click", () => choose(scene.name));
  $("scenes").append(button);
}

function choose(name) {
  clip = name;
  start();
}

function mark() {
  for (const button of $("scenes").children) button.setAttribute("aria-pressed", button.dataset.clip === clip);
}

function start() {
  if (starting) { again = true; return; }
  starting = true;
  begun = false;
  once = replay = null;
  connection.send({ type: "start", clip, seed: number("seed"), guidance: model.guidance ? number("guidance") : 1, sampling: sampling() });
}

function started(message) {
  frames = [];
  shown = 0;
  clip = message.clip;
  asked = { action: null, at: performance.now() };
  begun = true;
  mark();
  if (message.sampling) {
    const { from, ...first } = message.sampling[0];
    replay = { actions: message.actions, sampling: message.sampling, digest: message.digest, at: 0 };
    fill({ ...first, seed: message.seed, guidance: message.guidance });
    say(`Replaying ${message.actions.length} frames.`);
  } else say(`Scene ${clip}, seed ${message.seed}.`);
}

async function arrived(packet) {
  const bitmap = await createImageBitmap(packet.picture);
  connection.send({ type: "acknowledge", frame: packet.frame });
  if (!begun || packet.frame !== frames.length) return;  // of a dream that is over
  if (starting) {
    starting = false;
    if (again) { again = false; start(); return; }
  }
  const now = performance.now();
  packet.action = asked?.action;
  const stay = asked?.stay;  // an earlier frame was chosen meanwhile
  if (packet.frame) {
    spent = asked ? now - asked.at : spent;
    pace = before && now - before < 500 ? 0.8 * pace + 0.2 * (now - before) : spent;
    before = now;
  }
  asked = null;
  frames.push(packet);
  if (stay) {
    bitmap.close();
    strip.update(frames, shown);
  } else paint(bitmap, packet);
  if (replay && replay.at === replay.actions.length) {
    say(packet.digest === replay.digest ? "Replayed: the same frames, code by code."
      : "Replayed, but it came out differently: other hardware, or company, rounds otherwise.", packet.digest !== replay.digest);
    replay = null;
  }
  if (packet.frame >= model.most) { run(false); say(`A dream ends after ${model.most} frames.`); }
}

function paint(bitmap, packet) {
  shown = packet.frame;
  $("frame").getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  codeView.show(packet);
  strip.update(frames, shown);
  const expected = "reward" in packet ? `reward ${packet.reward.toFixed(2)}, end ${(100 * packet.end).toFixed(0)} %` : "";
  const parts = shown ? [`frame ${shown}`, controls.label(packet.action ?? []), expected, ...(shown === frames.length - 1
    ? [`${spent.toFixed(0)} ms`, `${(1000 / pace).toFixed(1)} frames/s`] : [`of ${frames.length - 1}`])] : ["last frame of the scene"];
  $("caption").textContent = parts.filter(Boolean).join(" · ");
}

function view(number) {
  run(false);
  replay = null;
  if (asked) asked.stay = true;
  const packet = frames[number];
  if (packet) drawing = drawing.then(() => createImageBitmap(packet.picture)).then((bitmap) => paint(bitmap, packet));
}

function act(action) {
  if (shown < frames.length - 1) {
    connection.send({ type: "rewind", frame: shown });
    strip.forget(shown);
    frames.length = shown + 1;
  }
  connection.send({ type: "act", action });
  asked = { action, at: performance.now() };
}

function next() {
  if (replay) {
    if (replay.at >= replay.actions.length) return null;
    const change = replay.sampling.find((each) => each.from === replay.at && each.from > 0);
    if (change) {
      const { from, ...to } = change;
      fill(to);
      connection.send({ type: "adjust", sampling: to });
    }
    return replay.actions[replay.at++];
  }
  const wanted = once ?? controls.held() ?? (running ? controls.idle() : null);
  once = null;
  return wanted;
}

function tick(now) {
  requestAnimationFrame(tick);
  if (!begun || asked || !frames.length || now < due || frames.length > model.most) return;
  const action = next();
  if (!action) return;
  due = Math.max(due + 1000 / rate, now);
  act(action);
}

function run(on) {
  running = on;
  $("run").setAttribute("aria-pressed", on);
  $("run").textContent = on ? "Pause" : "Play";
}

function number(name) {
  return Math.max(0, Number(form[name].value) || 0);
}

function sampling() {
  return { temperature: number("temperature"), top_k: Math.min(model.codes, Math.round(number("top_k"))), top_p: number("top_p") };
}

function fill(values) {
  for (const [name, value] of Object.entries(values)) form[name].value = value;
  for (const output of form.querySelectorAll("output")) output.textContent = output.previousElementSibling.value;
}

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", ({ target }) => {
  fill({});
  if (["temperature", "top_k", "top_p"].includes(target.name) && begun) {
    replay = null;
    connection.send({ type: "adjust", sampling: sampling() });
  }
});
$("reseed").addEventListener("click", () => { fill({ seed: Math.floor(Math.random() * 1e6) }); start(); });
$("restart").addEventListener("click", start);
$("run").addEventListener("click", () => { replay = null; run(!running); });
$("step").addEventListener("click", () => { replay = null; once = controls.held() ?? controls.idle(); });
$("moment").addEventListener("input", ({ target }) => view(Number(target.value)));
$("rate").addEventListener("input", ({ target }) => { rate = Number(target.value); due = 0; $("rate-value").textContent = `${rate} frames/s`; });
$("code-view").addEventListener("change", ({ target }) => {
  codeView.way = target.value;
  $("scale").hidden = target.value !== "bits";
  codeView.show(codeView.frame);
});
$("save").addEventListener("click", () => connection.send({ type: "save" }));
$("load").addEventListener("change", async ({ target }) => {
  const [file] = target.files;
  target.value = "";
  try {
    const given = JSON.parse(await file.text());
    if (starting) return;
    starting = true;
    begun = false;
    run(false);
    connection.send({ type: "load", replay: given });
  } catch {
    say("That file is no replay.", true);
  }
});
function record(ending) {
  const button = document.createElement("button");
  button.textContent = ending.toUpperCase();
  button.addEventListener("click", async () => {
    button.disabled = true;
    say(`Drawing the ${ending.toUpperCase()} …`);
    try {
      download(await connection.recording(ending, frames, rate), `dream.${ending}`);
      say("Done.");
    } catch (error) {
      say(error.message, true);
    }
    button.disabled = false;
  });
  $("recordings").append(button);
}

async function take(file) {
  if (!file) return;
  say(`Reading ${file.name} …`);
  try {
    const scene = await connection.upload(file);
    if (![...$("scenes").children].some((button) => button.dataset.clip === scene.name)) offer(scene);
    choose(scene.name);
  } catch (error) {
    say(error.message, true);
  }
}
$("upload").addEventListener("change", ({ target }) => { take(target.files[0]); target.value = ""; });
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files[0]);
  });
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.closest?.("input, select, textarea")) return;
  const button = { KeyP: "run", KeyR: "restart", Period: "step" }[event.code];
  if (button) { event.preventDefault(); $(button).click(); }
});

// A slider that was dragged gives the arrow keys back.
addEventListener("pointerup", ({ target }) => { if (target.type === "range") target.blur(); });
