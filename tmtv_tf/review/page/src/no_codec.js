// Stands in for the codecs of Zarr arrays, which this page never reads.
export default class NoCodec {
  static fromConfig() {
    throw new Error("this page reads no Zarr arrays");
  }
}
