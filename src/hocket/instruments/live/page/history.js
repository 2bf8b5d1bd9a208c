// The data of a run that the page keeps: the last minute, and somewhat more while paused.

export const MINUTE_S = 60;
const MOST_S = 300;
const PICTURES_PER_S = 6;
const PICTURE_BUDGET = 64 << 20;

export const OUTCOMES = ["executed", "superseded", "dropped", "duplicate", "discarded", "failed", "cancelled"];

export class History {
  constructor(about) {
    this.about = about;
    this.hz = about.hz || 1;
    this.ticks = [];
    this.inferences = []; // ordered by number
    this.byNumber = new Map();
    this.turns = new Map();
    this.workers = about.workers || 0; // the most so far, from the highest worker number
    this.trainings = [];
    this.evaluations = [];
    this.pictures = [];
    this.pictureBytes = 0;
    this.newestPicture = null;
    this.totals = null;
    this.phase = "idle";
    this.rewarded = false; // true once a tick has had a reward
  }

  get newest_s() {
    return this.ticks.length ? this.ticks[this.ticks.length - 1].tick / this.hz : 0;
  }

  get oldest_s() {
    return this.ticks.length ? this.ticks[0].tick / this.hz : 0;
  }

  take(frame, keepFrom_s) {
    this.totals = frame.totals;
    this.phase = frame.phase;
    for (const tick of frame.ticks) {
      this.ticks.push(tick);
      this.rewarded ||= Number.isFinite(tick.reward) && tick.reward !== 0;
    }
    for (const row of frame.inferences) {
      const known = this.byNumber.get(row.number);
      if (known) Object.assign(known, row);
      else {
        this.byNumber.set(row.number, row);
        this.inferences.push(row);
        this.workers = Math.max(this.workers, row.worker + 1);
        row.turn = this.turns.get(row.worker) || 0; // its index among its worker's inferences
        this.turns.set(row.worker, row.turn + 1);
      }
    }
    this.trainings.push(...frame.trainings);
    this.evaluations.push(...frame.evaluations);
    if (frame.picture) this.keepPicture(frame.picture);
    this.forget(Math.max(this.newest_s - MOST_S, Math.min(this.newest_s, keepFrom_s) - MINUTE_S - 1));
  }

  keepPicture(picture) {
    this.newestPicture = picture;
    const last = this.pictures[this.pictures.length - 1];
    if (last && picture.tick - last.tick < this.hz / PICTURES_PER_S) return;
    this.pictures.push(picture);
    this.pictureBytes += picture.bytes;
    while (this.pictureBytes > PICTURE_BUDGET) this.pictureBytes -= this.pictures.shift().bytes;
  }

  forget(before_s) {
    const before = before_s * this.hz;
    drop(this.ticks, (tick) => tick.tick < before);
    for (const gone of drop(this.inferences, (one) => one.observation < before)) this.byNumber.delete(gone.number);
    for (const gone of drop(this.pictures, (picture) => picture.tick < before)) this.pictureBytes -= gone.bytes;
    this.trainings.splice(0, this.trainings.length - 2000);
  }

  // The ticks in (from_s, to_s].
  ticksWithin(from_s, to_s) {
    const [from, to] = [from_s, to_s].map((s) => firstAfter(this.ticks, s * this.hz + 1e-9));
    return this.ticks.slice(from, to);
  }

  // The newest picture at a moment.
  pictureAt(moment_s) {
    let found = null;
    for (const picture of this.pictures) {
      if (picture.tick > moment_s * this.hz + 1e-6) break;
      found = picture;
    }
    return found;
  }
}

// Removes the leading elements for which `gone` is true, and returns them.
function drop(list, gone) {
  let count = 0;
  while (count < list.length && gone(list[count])) count += 1;
  return count ? list.splice(0, count) : [];
}

// The index of the first tick after `tick`.
function firstAfter(ticks, tick) {
  let low = 0;
  let high = ticks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ticks[middle].tick <= tick) low = middle + 1;
    else high = middle;
  }
  return low;
}
