// What a model's actions are called -> the keys and buttons that mean them.

export const KEYS = {
  ArrowUp: "forward", KeyW: "forward", ArrowDown: "back", KeyS: "back",
  ArrowLeft: "left", KeyA: "left", ArrowRight: "right", KeyD: "right",
  KeyQ: "strafe left", KeyE: "strafe right",
};
const NOTHING = ["noop", "none", "nothing", "stay", "idle", "wait"];

/** What an action's name asks for, e.g. {"forward", "left"}; null where it is no movement that the keys know. */
export function meaning(name) {
  const parts = name.toLowerCase().split("+");
  const asked = new Set();
  for (const part of parts) {
    const words = part.split(/[^a-z]+/).filter(Boolean);
    const has = (...any) => any.some((word) => words.includes(word));
    const side = has("left") ? "left" : has("right") ? "right" : "";
    if (words.length === 1 && NOTHING.includes(words[0])) continue;
    if (side && has("strafe", "move", "step")) asked.add(`strafe ${side}`);
    else if (side && words.every((word) => ["left", "right", "look", "turn", "rotate", "go"].includes(word))) asked.add(side);
    else if (has("forward", "forwards", "ahead")) asked.add("forward");
    else if (has("backward", "backwards", "back")) asked.add("back");
    else if (words.length === 1 && has("up")) asked.add("forward");
    else if (words.length === 1 && has("down")) asked.add("back");
    else return null;
  }
  return asked;
}

/** The discrete actions of a model, by what they mean. */
export class Directions {
  constructor(names) {
    this.meanings = names.map(meaning);
    this.known = new Set(this.meanings.flatMap((asked) => [...(asked ?? [])]));
    this.idle = this.meanings.findIndex((asked) => asked && asked.size === 0);
    this.others = names.map((_, i) => i).filter((i) => this.meanings[i] === null);
  }

  /** What a key means here: left is to strafe where there is no turning. */
  intent(code) {
    const intent = KEYS[code];
    if (this.known.has(intent)) return intent;
    return this.known.has(`strafe ${intent}`) ? `strafe ${intent}` : undefined;
  }

  /** The action that does most of what is held, and nothing else; -1: none. */
  best(held) {
    let best = -1;
    this.meanings.forEach((asked, i) => {
      if (!asked || asked.size === 0 || ![...asked].every((intent) => held.has(intent))) return;
      if (best < 0 || asked.size > this.meanings[best].size) best = i;
    });
    return best;
  }
}
