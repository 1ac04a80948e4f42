// Keys, buttons and sliders -> the action that is wanted now.

import { Directions } from "./actions.js";

const ARROWS = [["strafe left", "⇤"], ["forward", "↑"], ["strafe right", "⇥"], ["left", "↶"], ["", ""], ["right", "↷"],
  ["", ""], ["back", "↓"], ["", ""]];

/** Build what fits the model's actions; the result says what is held (`held()`) and what nothing held means (`idle()`). */
export function makeControls(spec, pad, others, tapped) {
  if (spec.kind === "discrete") return discrete(spec, pad, others, tapped);
  const parts = spec.kind === "none" ? [] : spec.kind === "continuous" ? sliders(spec) : choices(spec);
  others.append(...parts.map((part) => part.element));
  const action = () => parts.map((part) => part.value());
  return { held: () => null, idle: action, label: (given) => given.map((v) => +v.toFixed(2)).join(" "), hint: parts.length
    ? "Set each part of the action, then Step or Play." : "This world takes no actions: Step or Play." };
}

function discrete(spec, pad, others, tapped) {
  const names = spec.names ?? Array.from({ length: spec.sizes[0] }, (_, i) => `action ${i}`);
  const directions = new Directions(names);
  const intents = new Map(), buttons = new Map(), held = new Set();  // intents: key or button that holds it -> intent
  let chosen = null, last = directions.idle < 0 ? 0 : directions.idle;

  const wanted = () => {
    if (held.size) return [...held].at(-1);
    return directions.best(new Set(intents.values()));
  };
  const paint = () => {
    const now = wanted(), active = new Set(intents.values());
    for (const button of pad.children) button.classList.toggle("held", active.has(button.dataset.intent));
    for (const [i, button] of buttons) button.classList.toggle("held", i === now);
  };
  const press = (map, key, value) => {
    if (map === held) held.add(value); else intents.set(key, value);
    chosen = wanted();
    paint();
    if (chosen >= 0) tapped([chosen]);
  };
  const release = (map, key) => { map.delete(key); paint(); };
  const holdable = (button, map, key, value) => {
    button.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      button.setPointerCapture(event.pointerId);
      press(map, key, value);
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) button.addEventListener(end, () => release(map, key));
    button.addEventListener("contextmenu", (event) => event.preventDefault());
    button.addEventListener("click", (event) => {  // detail 0: by the keyboard
      if (event.detail === 0) { press(map, key, value); release(map, key); }
    });
  };

  if (directions.known.size) {
    pad.hidden = false;
    const rows = [0, 3, 6].map((first) => ARROWS.slice(first, first + 3));
    for (const [intent, sign] of rows.filter((row) => row.some(([known]) => directions.known.has(known))).flat()) {
      const there = directions.known.has(intent);
      const cell = document.createElement(there ? "button" : "span");
      if (there) {
        cell.textContent = sign;
        cell.setAttribute("aria-label", intent);
        cell.dataset.intent = intent;
        holdable(cell, intents, `pad ${intent}`, intent);
      }
      pad.append(cell);
    }
  }
  const digits = new Map(directions.others.slice(0, 9).map((action, i) => [`Digit${i + 1}`, action]));
  names.forEach((name, i) => {
    const button = document.createElement("button");
    button.textContent = name.replaceAll("_", " ");
    const digit = [...digits].find(([, action]) => action === i)?.[0].at(-1);
    if (digit) {
      const key = document.createElement("kbd");
      key.textContent = digit;
      button.append(key);
    }
    holdable(button, held, i, i);
    buttons.set(i, button);
    others.append(button);
  });

  const typing = (target) => target.closest?.("input, select, textarea");
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const intent = directions.intent(event.code), other = digits.get(event.code);
    if (intent === undefined && other === undefined) return;
    event.preventDefault();
    if (event.repeat) return;
    if (intent !== undefined) press(intents, event.code, intent);
    else press(held, event.code, other);
  });
  addEventListener("keyup", (event) => {
    release(intents, event.code);
    if (digits.has(event.code)) release(held, digits.get(event.code));
  });
  addEventListener("blur", () => { intents.clear(); held.clear(); paint(); });

  return {
    held: () => { const now = wanted(); if (now >= 0) last = now; return now >= 0 ? [now] : null; },
    idle: () => [directions.idle >= 0 ? directions.idle : last],
    label: ([action]) => names[action]?.replaceAll("_", " "),
    hint: directions.known.size
      ? "Hold the arrow keys, WASD" + (directions.known.has("strafe left") ? " (Q and E strafe)" : "") + " or a button. Play lets time flow by itself."
      : "Hold a button or its number. Play lets time flow by itself.",
  };
}

function choices(spec) {
  return spec.sizes.map((size, part) => {
    const group = document.createElement("fieldset"), legend = document.createElement("legend");
    legend.textContent = `part ${part + 1}`;
    group.append(legend);
    let value = 0;
    const buttons = Array.from({ length: size }, (_, i) => {
      const button = document.createElement("button");
      button.textContent = i;
      button.addEventListener("click", () => {
        value = i;
        buttons.forEach((each, j) => each.setAttribute("aria-pressed", j === i));
      });
      button.setAttribute("aria-pressed", i === 0);
      return button;
    });
    group.append(...buttons);
    return { element: group, value: () => value };
  });
}

function sliders(spec) {
  return spec.mean.map((mean, part) => {
    const std = spec.std[part], label = document.createElement("label"), slider = document.createElement("input");
    const shown = document.createElement("output");
    slider.type = "range";
    Object.assign(slider, { min: mean - 3 * std, max: mean + 3 * std, step: std / 20, value: mean });
    const say = () => { shown.textContent = ` ${(+slider.value).toFixed(2)}`; };
    slider.addEventListener("input", say);
    slider.addEventListener("dblclick", () => { slider.value = mean; say(); });
    label.append(`part ${part + 1} `, slider, shown);
    say();
    return { element: label, value: () => +slider.value };
  });
}
