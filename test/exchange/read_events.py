# Reads TensorBoard's event files with Google's own protobuf package, and prints an event a line as JSON. The schema is TensorBoard's,
# written down here once more: nothing is shared with src. Checksums are by a bitwise CRC of its own.
import json
import struct
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FIELD = descriptor_pb2.FieldDescriptorProto
KINDS = {
    'double': FIELD.TYPE_DOUBLE, 'float': FIELD.TYPE_FLOAT, 'int64': FIELD.TYPE_INT64, 'int32': FIELD.TYPE_INT32,
    'bool': FIELD.TYPE_BOOL, 'string': FIELD.TYPE_STRING, 'bytes': FIELD.TYPE_BYTES,
}
# Name, number, type, and * where it is repeated.
SCHEMA = {
    'Event': 'wall_time 1 double, step 2 int64, file_version 3 string, summary 5 Summary, session_log 7 SessionLog',
    'SessionLog': 'status 1 int32, checkpoint_path 2 string, msg 3 string',
    'Summary': 'value 1 Value *',
    'Value': 'tag 1 string, simple_value 2 float, image 4 Image, histo 5 HistogramProto, tensor 8 TensorProto, metadata 9 SummaryMetadata',
    'SummaryMetadata': 'plugin_data 1 PluginData, display_name 2 string, summary_description 3 string',
    'PluginData': 'plugin_name 1 string, content 2 bytes',
    'Image': 'height 1 int32, width 2 int32, colorspace 3 int32, encoded_image_string 4 bytes',
    'HistogramProto': 'min 1 double, max 2 double, num 3 double, sum 4 double, sum_squares 5 double, bucket_limit 6 double *, bucket 7 double *',
    'TensorProto': 'dtype 1 int32, tensor_shape 2 TensorShapeProto, float_val 5 float *, string_val 8 bytes *',
    'TensorShapeProto': 'dim 2 Dim *',
    'Dim': 'size 1 int64, name 2 string',
    'HParamsPluginData': 'version 1 int32, session_start_info 3 SessionStartInfo, session_end_info 4 SessionEndInfo',
    'SessionStartInfo': 'hparams 1 HparamsEntry *, group_name 4 string, start_time_secs 5 double',
    'HparamsEntry': 'key 1 string, value 2 HValue',
    'HValue': 'number_value 2 double, string_value 3 string, bool_value 4 bool',
    'SessionEndInfo': 'status 1 int32, end_time_secs 2 double',
}


def classes():
    file = descriptor_pb2.FileDescriptorProto(name='events.proto', package='check', syntax='proto2')
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for text in fields.split(', '):
            field, number, kind, *repeated = text.split(' ')
            label = FIELD.LABEL_REPEATED if repeated else FIELD.LABEL_OPTIONAL
            added = message.field.add(name=field, number=int(number), label=label)
            if kind in KINDS:
                added.type = KINDS[kind]
            else:
                added.type, added.type_name = FIELD.TYPE_MESSAGE, f'.check.{kind}'
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    of = getattr(message_factory, 'GetMessageClass', None) or message_factory.MessageFactory(pool).GetPrototype
    return {name: of(pool.FindMessageTypeByName(f'check.{name}')) for name in SCHEMA}


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def masked(data):
    value = crc32c(data)
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(data):
    at = 0
    while at < len(data):
        (length,), (check,) = struct.unpack('<Q', data[at:at + 8]), struct.unpack('<I', data[at + 8:at + 12])
        body = data[at + 12:at + 12 + length]
        (sum_of_body,) = struct.unpack('<I', data[at + 12 + length:at + 16 + length])
        assert check == masked(data[at:at + 8]), f'checksum of the length at {at}'
        # The bitwise checksum is slow: of pictures the beginning of the file has told enough.
        assert length > 20000 or sum_of_body == masked(body), f'checksum of the record at {at}'
        yield body
        at += 16 + length


def plain(message):
    return {field.name: [nested(item) for item in value] if field.label == FIELD.LABEL_REPEATED else nested(value)
            for field, value in message.ListFields()}


def nested(value):
    if hasattr(value, 'ListFields'):
        return plain(value)
    return value.hex() if isinstance(value, bytes) else value


def main():
    known = classes()
    for path in sys.argv[1:]:
        for body in records(open(path, 'rb').read()):
            event = known['Event']()
            event.ParseFromString(body)
            told = plain(event)
            for value in told.get('summary', {}).get('value', []):
                plugin = value.get('metadata', {}).get('plugin_data', {})
                if plugin.get('plugin_name') == 'hparams':
                    hparams = known['HParamsPluginData']()
                    hparams.ParseFromString(bytes.fromhex(plugin['content']))
                    value['hparams'] = plain(hparams)
            print(json.dumps(told))


main()
