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
  let why = "The connection is closed.";
  socket.onmessage = ({ data }) => {
    if (typeof data !== "string") return on.frame(packet(data));
    const message = JSON.parse(data);
    if (message.type === "full" || message.type === "idle") why = message.why;
    player = message.player ?? player;
    on.message(message);
  };
  socket.onclose = () => on.closed(why);
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

async function upload(player, file) {
  const url = `upload?${new URLSearchParams({ token, player })}`;
  const answer = await fetch(url, { method: "POST", body: file });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.why);
  return said;
}

async function recording(player, ending) {
  const answer = await fetch(`recording/${player}.${ending}?${new URLSearchParams({ token })}`);
  if (!answer.ok) throw new Error((await answer.json()).why);
  return answer.blob();
}
