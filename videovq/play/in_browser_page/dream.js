// The dream, in a worker of the page: the two graphs of videovq export, run by onnxruntime-web.

import * as ort from "../ort/ort.wasm.min.mjs";
import { gumbel } from "./noise.js";

const FORMAT = "videovq replay in browser 2";
const FORMER = "videovq replay in browser 1";  // with noise that is no longer drawn
const KEPT = 32;  // states to go back to
const KINDS = { float32: Float32Array, int64: BigInt64Array, int32: Int32Array, uint8: Uint8Array };

let hello, step, watch;
let dream = null;
const scenes = new Map();  // name -> {frames, actions, print}

function tensor({ type, shape }, values) {
  const big = type === "int64" ? BigInt : Number;
  return new ort.Tensor(type, values.BYTES_PER_ELEMENT ? values : KINDS[type].from(values, big), shape);
}

async function load() {
  const world = new URL("../world/", import.meta.url);
  hello = await (await fetch(new URL("hello.json", world))).json();
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
  const open = (name) => ort.InferenceSession.create(new URL(`${name}.onnx`, world).href);
  [step, watch] = [await open("step"), await open("watch")];
  for (const clip of hello.clips) scenes.set(clip.name, await scene(clip, world));
  const { start, graphs, ...said } = hello;
  postMessage({ ...said, clips: hello.clips.map(({ name, picture }) => ({ name, picture })) });
}

/** The frames of a clip, which stand below each other in a picture. */
async function scene({ file, frames, actions }, world) {
  const [height, width] = hello.size;
  const strip = await createImageBitmap(await (await fetch(new URL(file, world))).blob(), { colorSpaceConversion: "none" });
  const pen = new OffscreenCanvas(strip.width, strip.height).getContext("2d");
  pen.drawImage(strip, 0, 0);
  const rgb = pen.getImageData(0, 0, width, frames * height).data.filter((_, i) => i % 4 < 3), size = 3 * width * height;
  return known([...Array(frames).keys()].map((t) => rgb.slice(t * size, (t + 1) * size)), actions);
}

function known(frames, actions) {
  return { frames, actions, print: frames.reduce(print, JSON.stringify(actions)) };
}

/** Fingerprint of some numbers and of what was before them: 53 bits, against mix-ups, not against malice (cyrb53). */
function print(before, numbers) {
  let a = 0xdeadbeef, b = 0x41c6ce57;
  const mix = (value) => { a = Math.imul(a ^ value, 2654435761); b = Math.imul(b ^ value, 1597334677); };
  for (let i = 0; i < before.length; i++) mix(before.charCodeAt(i));
  numbers.forEach(mix);
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return (4294967296 * (2097151 & b) + (a >>> 0)).toString(16);
}

async function run(session, state, told) {
  const found = await session.run({ ...state, ...told });
  return [found, Object.fromEntries(hello.state.map((name) => [name, found[`next_${name}`]]))];
}

async function begin(name, seed, sampling) {
  const { frames, actions } = scenes.get(name), { inputs } = hello.graphs.watch;
  const nothing = ({ type, shape }) => new KINDS[type](shape.reduce((all, side) => all * side, 1));
  let state = Object.fromEntries(hello.state.map((key) => [key, tensor(inputs[key], hello.start[key] ?? nothing(inputs[key]))]));
  let found;
  for (const [t, frame] of frames.entries()) {
    const action = tensor(inputs.action, t ? actions?.[t - 1] ?? hello.start.action : hello.start.action);
    [found, state] = await run(watch, state, { action, frame: tensor(inputs.frame, Uint8Array.from(frame)) });
  }
  const codes = Uint32Array.from(found.codes.data, Number);
  dream = { scene: name, seed, sampling, state, states: new Map([[0, state]]), spacing: 1, moments: [{ print: print("", codes) }] };
  return { frame: 0, digest: dream.moments[0].print, codes, bits: new Uint8Array(codes.length), picture: picture(frames.at(-1)) };
}

function picture(rgb) {
  const [height, width] = hello.size, image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) image.data.set([rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2], 255], 4 * i);
  return image;
}

/** Draw the frame of a number from the state before it: the same one whenever it is asked for. */
async function drawn(state, number, action, sampling) {
  const { inputs } = hello.graphs.step;
  if (dream.ready?.number !== number) dream.ready = { number, noise: noise(number) };
  const told = { action: tensor(inputs.action, action), noise: tensor(inputs.noise, dream.ready.noise), temperature: tensor(inputs.temperature, [sampling.temperature]) };
  return run(step, state, told);
}

function noise(number) {
  const [, rows, columns, codes] = hello.graphs.step.inputs.noise.shape;
  return gumbel(dream.seed, number, rows * columns, codes);
}

async function act(action) {
  const number = dream.moments.length;
  if (number > hello.most) throw new Error(`act: a dream ends after ${hello.most} frames; rewind or start again`);
  const sampling = dream.sampling, [found, state] = await drawn(dream.state, number, action, sampling);
  const codes = Uint32Array.from(found.codes.data, Number), most = Math.log2(hello.codes);
  const digest = print(dream.moments.at(-1).print, codes);
  dream.moments.push({ action, sampling, print: digest });
  dream.state = state;
  if (number % dream.spacing === 0) dream.states.set(number, state);
  while (dream.states.size > KEPT) {
    dream.spacing *= 2;
    for (const kept of dream.states.keys()) if (kept % dream.spacing) dream.states.delete(kept);
  }
  const bits = Uint8Array.from(found.bits.data, (bit) => Math.round((255 * Math.min(Math.max(bit, 0), most)) / most));
  postMessage({ frame: number, digest, codes, bits, picture: picture(found.frame.data) });
  // While the page draws: noise takes as long as a tenth of a frame.
  dream.ready = { number: number + 1, noise: noise(number + 1) };
}

async function rewind(frame) {
  const from = Math.max(...[...dream.states.keys()].filter((number) => number <= frame));
  let state = dream.states.get(from);
  for (let number = from + 1; number <= frame; number++) {
    const { action, sampling } = dream.moments[number];
    [, state] = await drawn(state, number, action, sampling);
  }
  dream.state = state;
  dream.moments.length = frame + 1;
  for (const number of dream.states.keys()) if (number > frame) dream.states.delete(number);
}

function replay() {
  const sampling = [];
  dream.moments.slice(1).forEach((moment, from) => {
    if (moment.sampling.temperature !== sampling.at(-1)?.temperature) sampling.push({ from, ...moment.sampling });
  });
  if (!sampling.length) sampling.push({ from: 0, ...dream.sampling });
  const { scene: clip, seed, moments } = dream;
  return { format: FORMAT, model: hello.model, clip, clip_print: scenes.get(clip).print, seed, guidance: 1, sampling,
    actions: moments.slice(1).map((moment) => moment.action), digest: moments.at(-1).print };
}

function checked(replay) {
  const former = replay?.format === FORMER && Array.isArray(replay.sampling);
  if (former && replay.sampling.some((each) => each?.temperature !== 0)) throw new Error("replay: was dreamt with the noise of an earlier version; only replays of temperature 0 outlive it");
  if (!former && replay?.format !== FORMAT) throw new Error(`replay: is not in the format "${FORMAT}"`);
  if (replay.model !== hello.model) throw new Error("replay.model: it was dreamt by other networks");
  if (scenes.get(replay.clip)?.print !== replay.clip_print) throw new Error(`replay.clip: there is no such scene "${replay.clip}" here`);
  const { actions, sampling } = replay;
  const whole = Number.isSafeInteger(replay.seed) && replay.seed >= 0 && Array.isArray(actions) && actions.length <= hello.most;
  const numbers = whole && actions.every((action) => Array.isArray(action) && action.every(Number.isFinite));
  if (!numbers || !Array.isArray(sampling) || !sampling.every((each) => Number.isFinite(each.temperature) && Number.isInteger(each.from))) {
    throw new Error("replay: its seed, actions or sampling cannot be used");
  }
  return replay;
}

async function answer(message) {
  if (message.type === "act") await act(message.action);
  else if (message.type === "adjust") dream.sampling = { temperature: message.sampling.temperature };
  else if (message.type === "rewind") await rewind(message.frame);
  else if (message.type === "save") postMessage({ type: "replay", replay: replay() });
  else if (message.type === "scene") {
    scenes.set(message.name, known(message.frames, null));
    postMessage({ type: "taken", name: message.name });
  } else if (message.type === "start" || message.type === "load") {
    const given = message.type === "load" ? checked(message.replay) : { ...message, sampling: [message.sampling] };
    const { clip, seed, sampling } = given;
    const first = await begin(clip, seed, { temperature: sampling[0].temperature });
    const told = message.type === "load" ? { actions: given.actions, sampling, digest: given.digest } : { actions: [] };
    postMessage({ type: "started", ...told, clip, seed, guidance: 1 });
    postMessage(first);
  }
}

async function told(message) {
  try {
    await answer(message);
  } catch (error) {
    postMessage({ type: "refused", why: error.message });
  }
}

let turn = load().catch((error) => postMessage({ type: "broken", why: `The networks cannot be loaded: ${error.message}.` }));
addEventListener("message", ({ data }) => { turn = turn.then(() => told(data)); });
