/** Element types that can be read; only F32 is written. */
export type DataType =
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'F64'
  | 'I64'
  | 'U64'
  | 'I32'
  | 'U32'
  | 'I16'
  | 'U16'
  | 'I8'
  | 'U8'
  | 'BOOL';

interface Codec {
  /** Bytes an element. */
  readonly bytes: number;
  readonly decode: (buffer: ArrayBuffer) => Float32Array | Float64Array;
}

/** How each element type's little-endian bytes become numbers: 64-bit integers are rounded, all others are kept. */
export const dataTypes: Readonly<Record<DataType, Codec>> = {
  F32: { bytes: 4, decode: (buffer) => new Float32Array(buffer) },
  F16: { bytes: 2, decode: (buffer) => Float32Array.from(new Uint16Array(buffer), halfToNumber) },
  BF16: {
    bytes: 2,
    decode: (buffer) => new Float32Array(Uint32Array.from(new Uint16Array(buffer), (b) => b << 16).buffer),
  },
  F64: { bytes: 8, decode: (buffer) => new Float64Array(buffer) },
  I64: { bytes: 8, decode: (buffer) => Float64Array.from(new BigInt64Array(buffer), Number) },
  U64: { bytes: 8, decode: (buffer) => Float64Array.from(new BigUint64Array(buffer), Number) },
  I32: { bytes: 4, decode: (buffer) => Float64Array.from(new Int32Array(buffer)) },
  U32: { bytes: 4, decode: (buffer) => Float64Array.from(new Uint32Array(buffer)) },
  I16: { bytes: 2, decode: (buffer) => Float32Array.from(new Int16Array(buffer)) },
  U16: { bytes: 2, decode: (buffer) => Float32Array.from(new Uint16Array(buffer)) },
  I8: { bytes: 1, decode: (buffer) => Float32Array.from(new Int8Array(buffer)) },
  U8: { bytes: 1, decode: (buffer) => Float32Array.from(new Uint8Array(buffer)) },
  BOOL: { bytes: 1, decode: (buffer) => Float32Array.from(new Uint8Array(buffer)) },
};

/** IEEE 754 binary16: 1 sign, 5 exponent and 10 fraction bits. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
