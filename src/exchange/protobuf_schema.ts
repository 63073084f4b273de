// Messages of protocol buffers by tables of their fields, under the names and numbers of published schemas.
import protobuf from 'protobufjs';

/** By name: type, number and, where it is no single value, what it is instead: a `map` has texts as keys. */
export type MessageFields = Readonly<Record<string, readonly [type: string, id: number, rule?: 'repeated' | 'map']>>;

/** A message that can be written and read. */
export interface MessageCodec {
  /** The bytes of a message given as plain data under the names of the table. */
  encode(message: object): Uint8Array;
  /** Throws for bytes that are none. */
  decode(bytes: Uint8Array): Readonly<Record<string, unknown>>;
}

/** Whether a value that is given is written where it is 0 or empty: readers tell a field of a oneof by its being there. */
type Presence = 'implicit' | 'explicit';

const editions: Readonly<Record<Presence, string>> = { implicit: 'proto3', explicit: '2023' };

/** The codec of one of some messages. */
export function messageCodec(
  messages: Readonly<Record<string, MessageFields>>,
  name: string,
  presence: Presence,
): MessageCodec {
  const edition = editions[presence];
  const nested = Object.fromEntries(
    Object.entries(messages).map(([message, fields]) => [
      message,
      { edition, fields: Object.fromEntries(Object.entries(fields).map(([field, told]) => [field, described(told)])) },
    ]),
  );
  const type = protobuf.Root.fromJSON({ nested }).lookupType(name);
  return {
    encode: (message) => type.encode(type.fromObject(message)).finish(),
    decode: (bytes) => type.toObject(type.decode(bytes), { longs: Number }),
  };
}

function described([type, id, rule]: MessageFields[string]) {
  if (rule === 'map') return { keyType: 'string', type, id };
  return { type, id, ...(rule && { rule }) };
}
