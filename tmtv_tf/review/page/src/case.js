// One open case. Its state, its labels and its numbers are always one answer of the server; nothing is computed here.
import { casePath, getBytes, getJson, post } from "./api.js";
import { boxLabels, Labels } from "./labels.js";
import { boxAbove, frameOf, readVolume } from "./volume.js";

const BODY_SUV = 0.3;
const MIDDLE_MM = 20;

export class Case {
  /** `changed` is called after each answer; `saving` with "saving", "saved" or "lost". */
  constructor(id, { changed, saving }) {
    Object.assign(this, { id, changed, saving, state: null, labels: null, automatic: null, pet: null, ct: null, queue: Promise.resolve() });
  }

  async open(method) {
    this.state = await getJson(casePath(this.id, method ? `?method=${encodeURIComponent(method)}` : ""));
    this.frame = frameOf(this.state.affine_ras);
    await this.changed("state");
    const [pet] = await Promise.all([getBytes(casePath(this.id, "/pet")), this.readLabels()]);
    this.pet = readVolume(pet, this.frame);
    this.body = boxAbove(this.pet, BODY_SUV);
    await this.changed("images"); // the reader can begin
    if (!this.state.has_ct) return;
    this.ct = readVolume(await getBytes(casePath(this.id, "/ct")), this.frame);
    await this.changed("images");
  }

  /** Lesions and excluded lesions, as the table shows them. */
  get rows() {
    return [...this.state.lesions, ...this.state.excluded.map((lesion) => ({ ...lesion, origin: "excluded" }))];
  }
  row(label) {
    return this.rows.find((row) => row.label === label);
  }
  /** Where a lesion lies: its side, and the third of the imaged body; "" before there is an image. */
  place({ centroid_mm: at }) {
    if (!this.body) return "";
    const { min, max } = this.body, d = this.frame.fromLps(at);
    const right = d[0] - (min[0] + max[0]) / 2;
    const side = Math.abs(right) < MIDDLE_MM ? "midline" : right > 0 ? "right" : "left";
    return `${side}, ${["lower", "central", "upper"][Math.max(0, Math.min(2, Math.floor((3 * (d[2] - min[2])) / (max[2] - min[2]))))]}`;
  }
  get totals() {
    return this.state.totals[this.state.method];
  }

  async readLabels() {
    const { method, revision, edits } = this.state;
    const of = async (query) => Labels.read(await getBytes(casePath(this.id, `/labels/${encodeURIComponent(method)}?${query}`)), this.frame);
    const before = this.automatic?.method === method ? this.automatic : null;
    const [labels, automatic] = await Promise.all([of(`revision=${revision}`), before ?? (edits ? of("state=automatic") : null)]);
    this.labels = labels;
    this.automatic = automatic ?? labels.copy();
    this.automatic.method = method;
  }

  async setMethod(method) {
    return this.inTurn(async () => {
      const before = this.state;
      try {
        this.state = await getJson(casePath(this.id, `?method=${encodeURIComponent(method)}`));
        await this.readLabels();
      } catch (problem) {
        this.state = before;
        throw problem;
      }
      await this.changed("labels");
    });
  }

  /** One change. Resolves to { said }, or to null where another window was faster: then the page shows its state. */
  edit = (edit) => this.change("/edits", { edit });

  /** The edits of a reader in place of those of now. */
  adopt = (reader) => this.change("/adopt", { of: reader });

  async change(path, body) {
    return this.inTurn(async () => {
      this.saving("saving");
      try {
        const { said, ...answer } = await post(casePath(this.id, path), { revision: this.state.revision, method: this.state.method, ...body });
        await this.take(answer);
        this.saving("saved");
        return { said: said ?? [] };
      } catch (problem) {
        if (problem.status !== 409) {
          this.saving(problem.status ? "saved" : "lost");
          throw problem;
        }
        await this.reload();
        this.saving("saved");
        return null;
      }
    });
  }

  async take(answer) {
    const { changed_box: box, ...state } = answer;
    this.state = state;
    if (box) this.labels.update(box);
    // The picture must be that of the numbers: as many voxels as the table has millilitres.
    if (!this.agrees()) await this.readLabels();
    await this.changed("labels");
  }

  agrees() {
    const voxelMl = Math.abs(this.pet.spacing.reduce((a, b) => a * b)) / 1000;
    const tmtv = this.totals.final.tmtv_ml;
    return Math.abs(this.labels.index.length * voxelMl - tmtv) <= 1e-3 * tmtv + voxelMl / 2;
  }

  async reload() {
    this.state = await getJson(casePath(this.id, `?method=${encodeURIComponent(this.state.method)}`));
    await this.readLabels();
    await this.changed("labels");
  }

  /** What an edit would do: { voxels, volume_ml, suv_max, labels }. */
  async preview(edit) {
    const answer = await post(casePath(this.id, "/preview"), { revision: this.state.revision, method: this.state.method, edit });
    const box = answer.changed_box ?? answer.box;
    return { ...answer, labels: box && answer.voxels ? boxLabels(box, this.pet) : null };
  }

  measure = (centre, radius_mm) => post(casePath(this.id, "/measure"), { sphere: { center_mm: this.frame.toLps(centre), radius_mm } });

  async sign() {
    return this.inTurn(async () => {
      this.state = await post(casePath(this.id, "/sign"), { revision: this.state.revision, method: this.state.method });
      await this.changed("state");
    });
  }

  export() {
    return this.inTurn(async () => {
      const answer = await post(casePath(this.id, "/export"), { method: this.state.method });
      await this.reload();
      return answer;
    });
  }

  /** The reader leaves: the server writes a version of what was changed. */
  close = () => this.inTurn(() => post(casePath(this.id, "/close")));

  /** Requests that change something go one after the other, so each is about the state that the reader saw. */
  inTurn(task) {
    const next = this.queue.then(task, task);
    this.queue = next.catch(() => {});
    return next;
  }
}
