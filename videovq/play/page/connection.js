// The server: a WebSocket with JSON both ways and frames as binary packets; files by HTTP.

const decoder = new TextDecoder();
const token = new URLSearchParams(location.search).get("token") ?? "";

/** Connect; calls `on.message(object)`, `on.frame(packet)` and `on.closed(text)`. */
export function connect(on) {
  let player;
  const url = new URL("play", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.search = new URLSearchParams({ token });
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  let why = "The connection is closed.", opened = false;
  socket.onopen = () => { opened = true; };
  socket.onmessage = ({ data }) => {
    if (typeof data !== "string") return on.frame(packet(data));
    const message = JSON.parse(data);
    if (message.type === "full" || message.type === "idle") why = message.why;
    player = message.player ?? player;
    on.message(message);
  };
  socket.onclose = async () => on.closed(opened ? why : await reason());
  return {
    send: (message) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(message)),
    /** Take a file in as a scene; gives its name and picture. */
    upload: (file) => upload(player, file),
    /** The dream as a file. */
    recording: (ending) => recording(player, ending),
  };
}

/** Length of the header (4 bytes), header, PNG, codes (4 bytes each), entropies (1 byte each). */
function packet(buffer) {
  const length = new DataView(buffer).getUint32(0);
  const header = JSON.parse(decoder.decode(new Uint8Array(buffer, 4, length)));
  const rest = buffer.slice(4 + length + header.png);
  const cells = rest.byteLength / 5;
  return {
    ...header,
    picture: new Blob([new Uint8Array(buffer, 4 + length, header.png)], { type: "image/png" }),
    codes: new Uint32Array(rest, 0, cells),
    bits: new Uint8Array(rest, 4 * cells),
  };
}

/** Why there is no connection: browsers keep that to themselves, so the server is asked again, without a WebSocket. */
async function reason() {
  try {
    await answered(await fetch(`play?${new URLSearchParams({ token })}`, { method: "POST" }));
    return "There is no connection.";
  } catch (error) {
    return error instanceof TypeError ? "Nobody answers here: has videovq play ended?" : error.message;
  }
}

/** What the server said, or its refusal as an error; a proxy's own may be no JSON. */
async function answered(answer) {
  const json = answer.headers.get("content-type")?.includes("json");
  const said = json ? await answer.json() : { why: `The server, or a proxy before it, says ${answer.status} ${answer.statusText}.` };
  if (said.why) throw new Error(said.why);
  return said;
}

async function upload(player, file) {
  const url = `upload?${new URLSearchParams({ token, player })}`;
  return answered(await fetch(url, { method: "POST", body: file }));
}

async function recording(player, ending) {
  const answer = await fetch(`recording/${player}.${ending}?${new URLSearchParams({ token })}`);
  return answer.ok ? answer.blob() : answered(answer);
}
