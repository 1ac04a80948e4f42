// What is drawn: the frame, its codes, and a strip of earlier frames.

const THUMB = 48, KNOB = 16;

/** The grid of codes: each in its decoded colour, or by the entropy that the predictor gave it. */
export class CodeView {
  constructor(canvas, note, model) {
    [this.rows, this.columns] = model.grid;
    this.canvas = canvas;
    this.note = note;
    this.most = Math.log2(model.codes);
    this.colours = Uint8Array.from(atob(model.colours), (letter) => letter.charCodeAt(0));
    canvas.width = this.columns;
    canvas.height = this.rows;
    this.way = "colour";
    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect();
      const column = Math.floor(((event.clientX - box.left) / box.width) * this.columns);
      const row = Math.floor(((event.clientY - box.top) / box.height) * this.rows);
      this.over = Math.max(0, Math.min(this.rows - 1, row)) * this.columns + Math.max(0, Math.min(this.columns - 1, column));
      this.say();
    });
    canvas.addEventListener("pointerleave", () => { this.over = undefined; this.say(); });
  }

  show(frame) {
    this.frame = frame;
    const picture = new ImageData(this.columns, this.rows);
    frame.codes.forEach((code, i) => {
      const bits = frame.bits[i];
      const colour = this.way === "bits" ? [bits, Math.round(bits * 0.45), 255 - bits] : this.colours.subarray(3 * code, 3 * code + 3);
      picture.data.set([...colour, 255], 4 * i);
    });
    this.canvas.getContext("2d").putImageData(picture, 0, 0);
    this.say();
  }

  say() {
    if (!this.frame) return;
    const bits = (value) => ((value / 255) * this.most).toFixed(1);
    if (this.over !== undefined) {
      this.note.textContent = `code ${this.frame.codes[this.over]}: ${bits(this.frame.bits[this.over])} bits`;
    } else {
      const mean = this.frame.bits.reduce((sum, value) => sum + value, 0) / this.frame.bits.length;
      this.note.textContent = this.frame.frame ? `${bits(mean)} bits a code` : "given";
    }
  }
}

/** Some of the frames so far, evenly spaced; a click chooses one, as does the slider under them. */
export class Strip {
  constructor(canvas, slider, choose) {
    this.canvas = canvas;
    this.slider = slider;
    this.frames = [];
    this.shown = 0;
    this.pictures = new Map();
    canvas.addEventListener("click", (event) => {
      const place = Math.floor((event.clientX - canvas.getBoundingClientRect().left) / THUMB);
      const numbers = this.numbers();
      if (numbers.length) choose(numbers[Math.min(place, numbers.length - 1)]);
    });
    new ResizeObserver(() => { this.slide(); this.draw(); }).observe(canvas);
  }

  numbers() {
    const places = Math.max(1, Math.floor(this.canvas.clientWidth / THUMB)), last = this.frames.length - 1;
    if (last < places) return this.frames.map((_, i) => i);
    return Array.from({ length: places }, (_, i) => Math.round((i * last) / Math.max(1, places - 1)));
  }

  /** Puts the slider's knob under the picture of the frame that is shown. */
  slide() {
    Object.assign(this.slider, { max: Math.max(0, this.frames.length - 1), value: this.shown });
    this.slider.style.marginLeft = `${(THUMB - KNOB) / 2}px`;
    this.slider.style.width = `${(Math.max(1, this.numbers().length) - 1) * THUMB + KNOB}px`;
  }

  /** Draws at most four times a second. */
  update(frames, shown) {
    if (frames !== this.frames) this.pictures.clear();
    [this.frames, this.shown] = [frames, shown];
    this.slide();
    this.timer ??= setTimeout(() => { this.timer = undefined; this.draw(); }, 250);
  }

  forget(after) {
    for (const number of this.pictures.keys()) if (number > after) this.pictures.delete(number);
  }

  async draw() {
    const { canvas, frames } = this, numbers = this.numbers();
    for (const number of numbers) {
      if (this.pictures.get(number)?.frame === frames[number]) continue;
      const frame = frames[number];
      this.pictures.set(number, { frame, bitmap: await createImageBitmap(frame.picture) });
      if (frames !== this.frames) return;
    }
    const sharp = window.devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * sharp;
    canvas.height = THUMB * sharp;
    const pen = canvas.getContext("2d");
    pen.scale(sharp, sharp);
    pen.imageSmoothingEnabled = false;
    const nearest = numbers.reduce((best, n, i) => (Math.abs(n - this.shown) < Math.abs(numbers[best] - this.shown) ? i : best), 0);
    numbers.forEach((number, i) => {
      const picture = this.pictures.get(number);
      if (picture) pen.drawImage(picture.bitmap, i * THUMB + 1, 1, THUMB - 2, THUMB - 2);
    });
    if (numbers.length) {
      pen.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
      pen.lineWidth = 3;
      pen.strokeRect(nearest * THUMB + 1.5, 1.5, THUMB - 3, THUMB - 3);
    }
  }
}
