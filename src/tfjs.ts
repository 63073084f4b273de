// dartsmith/tfjs: the backend on TensorFlow.js.
export { openTfjsDevice, type TfjsDeviceOptions } from './backend/tfjs/device.ts';
export { describePlatforms, type Platform, type PlatformReport, platforms } from './backend/tfjs/platform.ts';
