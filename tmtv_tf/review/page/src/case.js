// One open case. Its state, its labels and its numbers are always one answer of the server; nothing is computed here.
import { casePath, getBytes, getJson, post } from "./api.js";
import { boxLabels, Labels } from "./labels.js";
import { frameOf, readVolume } from "./volume.js";

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
  get totals() {
    return this.state.totals[this.state.method];
  }

  async readLabels() {
    const method = encodeURIComponent(this.state.method);
    const of = (query) => getBytes(casePath(this.id, `/labels/${method}?${query}`)).then((bytes) => Labels.read(bytes, this.frame));
    const [labels, automatic] = await Promise.all([
      of(`revision=${this.state.revision}`),
      this.automatic?.method === this.state.method ? this.automatic : of("state=automatic"),
    ]);
    automatic.method = this.state.method;
    Object.assign(this, { labels, automatic });
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

  /** One change. Resolves to true, or to false where another window was faster: then the page shows its state. */
  async edit(edit) {
    return this.inTurn(async () => {
      this.saving("saving");
      try {
        await this.take(await post(casePath(this.id, "/edits"), { revision: this.state.revision, method: this.state.method, edit }));
        this.saving("saved");
        return true;
      } catch (problem) {
        if (problem.status !== 409) {
          this.saving(problem.status ? "saved" : "lost");
          throw problem;
        }
        await this.reload();
        this.saving("saved");
        return false;
      }
    });
  }

  async take(answer) {
    const { changed_box: box, ...state } = answer;
    this.state = state;
    if (box) this.labels.update(box);
    // The picture must be that of the numbers: as many voxels as the table has millilitres.
    if (!box || !this.agrees()) await this.readLabels();
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
      const { changed_box: _, ...state } = await post(casePath(this.id, "/sign"), { revision: this.state.revision, method: this.state.method });
      this.state = state.lesions ? state : await getJson(casePath(this.id, `?method=${this.state.method}`));
      this.changed("state");
    });
  }

  export = () => this.inTurn(() => post(casePath(this.id, "/export"), { revision: this.state.revision, method: this.state.method }));

  /** Requests that change something go one after the other, so each is about the state that the reader saw. */
  inTurn(task) {
    const next = this.queue.then(task, task);
    this.queue = next.catch(() => {});
    return next;
  }
}
