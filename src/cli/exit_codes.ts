/** The command's exit codes; those from 129 on are 128 and a signal's number, as shells count. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  hungUp: 129,
  interrupted: 130,
  outputClosed: 141,
  terminated: 143,
} as const;
