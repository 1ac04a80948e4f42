// Standard Gumbel noise as a function of seed, frame, position and code: bit for bit that of videovq/models/noise.py.

/** Upper 32 bits of the product of two unsigned words. */
function high(a, b) {
  const a0 = a & 0xffff, a1 = a >>> 16, b0 = b & 0xffff, b1 = b >>> 16;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  return (a1 * b1 + Math.floor(middle / 65536) + ((a0 * b1 + (middle & 0xffff)) / 65536)) >>> 0;
}

/** Philox-4x32-10: four words for a counter of four and a key of two. */
export function philox([a, b, c, d], [key0, key1]) {
  for (let round = 0; round < 10; round++) {
    const left = Math.imul(a, 0xd2511f53), right = Math.imul(c, 0xcd9e8d57);
    [a, c] = [(high(c >>> 0, 0xcd9e8d57) ^ b ^ key0) >>> 0, (high(a >>> 0, 0xd2511f53) ^ d ^ key1) >>> 0];
    [b, d] = [right >>> 0, left >>> 0];
    [key0, key1] = [(key0 + 0x9e3779b9) >>> 0, (key1 + 0xbb67ae85) >>> 0];
  }
  return [a, b, c, d];
}

/** The random bits of `codes` codes at each of some positions of a frame. */
export function bits(seed, frame, positions, codes) {
  const found = new Uint32Array(positions * codes), key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
  for (let position = 0, i = 0; position < positions; position++) {
    const [start, inner] = philox([position, frame, 0, 0], key);
    for (let code = 0; code < codes; code++, i++) {
      let x = start + Math.imul(code, 0x9e3779b9) | 0;
      x = Math.imul(x ^ (x >>> 16), 0x7feb352d) ^ inner;
      x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
      found[i] = x ^ (x >>> 16);
    }
  }
  return found;
}

/** The noise, position by position. */
export function gumbel(seed, frame, positions, codes) {
  const words = bits(seed, frame, positions, codes), noise = new Float32Array(words.length);
  const scale = 2 ** -31 * (1 - 2 ** -24), round = Math.fround;
  for (let i = 0; i < words.length; i++) {
    const uniform = round(round(round(words[i] & 0x7fffffff) * scale) + 2 ** -32);
    noise[i] = -Math.log(-Math.log(1 - uniform));  // in float64, for which the difference is precise enough
  }
  return noise;
}
