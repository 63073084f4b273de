// The messages of TensorBoard's event files that runs need, under the names and numbers of its published schemas (event.proto,
// summary.proto, tensor.proto, the hparams plugin's).
import { type MessageFields, messageCodec } from './protobuf_schema.ts';

const messages: Readonly<Record<string, MessageFields>> = {
  Event: {
    wallTime: ['double', 1],
    step: ['int64', 2],
    fileVersion: ['string', 3],
    summary: ['Summary', 5],
    sessionLog: ['SessionLog', 7],
  },
  SessionLog: { status: ['int32', 1] },
  Summary: { value: ['SummaryValue', 1, 'repeated'] },
  SummaryValue: {
    tag: ['string', 1],
    simpleValue: ['float', 2],
    image: ['Image', 4],
    histo: ['HistogramProto', 5],
    tensor: ['TensorProto', 8],
    metadata: ['SummaryMetadata', 9],
  },
  SummaryMetadata: { pluginData: ['PluginData', 1] },
  PluginData: { pluginName: ['string', 1], content: ['bytes', 2] },
  Image: {
    height: ['int32', 1],
    width: ['int32', 2],
    colorspace: ['int32', 3],
    encodedImageString: ['bytes', 4],
  },
  HistogramProto: {
    min: ['double', 1],
    max: ['double', 2],
    num: ['double', 3],
    sum: ['double', 4],
    sumSquares: ['double', 5],
    bucketLimit: ['double', 6, 'repeated'],
    bucket: ['double', 7, 'repeated'],
  },
  TensorProto: {
    dtype: ['int32', 1],
    tensorShape: ['TensorShapeProto', 2],
    floatVal: ['float', 5, 'repeated'],
    stringVal: ['bytes', 8, 'repeated'],
  },
  TensorShapeProto: { dim: ['Dimension', 2, 'repeated'] },
  Dimension: { size: ['int64', 1] },
  HParamsPluginData: {
    version: ['int32', 1],
    sessionStartInfo: ['SessionStartInfo', 3],
    sessionEndInfo: ['SessionEndInfo', 4],
  },
  SessionStartInfo: { hparams: ['HParamValue', 1, 'map'], startTimeSecs: ['double', 5] },
  SessionEndInfo: { status: ['int32', 1], endTimeSecs: ['double', 2] },
  HParamValue: { numberValue: ['double', 2], stringValue: ['string', 3], boolValue: ['bool', 4] },
};

/** Of an event file: each of its records is one. */
export const eventCodec = messageCodec(messages, 'Event', 'explicit');

/** Of what the hparams plugin reads. */
export const hparamsCodec = messageCodec(messages, 'HParamsPluginData', 'explicit');

/** Status of a SessionLog: what lies at its step or behind it, in files before, is no longer so. */
export const sessionStart = 1;

/** Types of elements, as TensorProto numbers them. */
export const tensorTypes = { float: 1, string: 7 } as const;

/** Colour spaces of images, as PNG has them with opacity. */
export const rgba = 4;

/** How a session of the hparams plugin ended. */
export const sessionSucceeded = 1;
