// Standard Gumbel noise that depends on a seed and a frame's number, and on nothing else.

/** The generator sfc32 (PractRand, C. Doty-Humphrey) in the state that some numbers give: 32 bits a call. */
function sfc32(seed, frame) {
  let a = seed >>> 0, b = Math.floor(seed / 2 ** 32) >>> 0, c = frame >>> 0, counter = 1;
  const next = () => {
    const t = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 20; i++) next();
  return next;
}

/** `count` numbers of -log(-log(u)), u uniform between 0 and 1. */
export function gumbel(seed, frame, count) {
  const next = sfc32(seed, frame), noise = new Float32Array(count);
  for (let i = 0; i < count; i++) noise[i] = -Math.log(-Math.log((next() + 0.5) / 2 ** 32));
  return noise;
}
