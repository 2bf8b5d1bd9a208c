// The WebSocket: requests a frame, decodes it, and requests the next when the page has drawn it.

const LEAST_WAIT_MS = 500;
const MOST_WAIT_MS = 8000;
const ASK = new Uint8Array([1]);

export class Stream {
  constructor(onFrame, onState) {
    this.onFrame = onFrame;
    this.onState = onState;
    this.columns = {};
    this.waitMs = LEAST_WAIT_MS;
    this.asked = false;
    this.failures = 0; // since the last connection
    this.connect();
  }

  connect() {
    const address = new URL("frames", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    address.search = location.search;
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.socket = socket;
      this.asked = false;
      this.waitMs = LEAST_WAIT_MS;
      this.failures = 0;
      this.onState({ state: "open", failures: 0 });
      this.ask();
    };
    socket.onmessage = (event) => {
      this.asked = false;
      this.onFrame(this.takeApart(event.data));
    };
    socket.onclose = () => {
      if (!this.socket) this.failures += 1;
      this.socket = null;
      this.onState({ state: "closed", failures: this.failures });
      setTimeout(() => this.connect(), this.waitMs);
      this.waitMs = Math.min(MOST_WAIT_MS, this.waitMs * 1.6);
    };
  }

  // Request one more frame, unless one has been requested.
  ask() {
    if (this.socket && !this.asked) {
      this.asked = true;
      this.socket.send(ASK);
    }
  }

  takeApart(data) {
    const headerBytes = new DataView(data).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, headerBytes)));
    if (header.columns) this.columns = header.columns;
    const frame = { ...header, ticks: [], inferences: [], trainings: [], evaluations: [], picture: null };
    let offset = 4 + headerBytes;
    for (const section of header.sections) {
      if (section.name === "picture") {
        frame.picture = { ...section, content: data.slice(offset, offset + section.bytes) };
        offset += Math.ceil(section.bytes / 8) * 8;
      } else {
        const columns = this.columns[section.name];
        const numbers = new Float64Array(data, offset, section.rows * columns.length);
        frame[section.name] = Array.from({ length: section.rows }, (_, row) =>
          Object.fromEntries(columns.map((name, column) => [name, numbers[row * columns.length + column]])),
        );
        offset += numbers.byteLength;
      }
    }
    return frame;
  }
}
