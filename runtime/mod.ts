/**
 * The runtime: a table image and the kernel's packets to verdicts and counters. It knows no
 * language: rules are numbers here.
 *
 * @module
 */
export { BATCH_BOUNDS, COALESCE_AUTO, VERDICT_BOUNDS } from "../compiler/tables/layout.ts";
export { type Capture, CaptureError, type Frame, readCapture } from "./capture.ts";
export {
  type Answer,
  askControl,
  ControlError,
  followControl,
  type Handler,
  type Request,
  serveControl,
} from "./control.ts";
export { GuardError } from "./guard.ts";
export { gather, ungather } from "./gro.ts";
export { followLog, type LogLine } from "./log.ts";
export { type Manager, serviceManager } from "./manager.ts";
export { pcapngHeader, pcapngPacket } from "./pcapng.ts";
export {
  type Backend,
  backendNamed,
  commandText,
  endQueueing,
  HookError,
  type HookPlan,
  probeBackend,
  type PushedCount,
  removeLeftovers,
} from "./hooks/mod.ts";
export {
  type Carry,
  type Counter,
  Engine,
  imageMemory,
  LibraryError,
  type Member,
  NativeError,
  type Past,
  type QueueState,
  type Stats,
} from "./native.ts";
export { type Outcome, packetsOf, replay, type Scene } from "./replay.ts";
export {
  type Change,
  refuseAnswered,
  type Service,
  type ServiceConfig,
  ServiceError,
  startService,
} from "./service.ts";
export { turns } from "./turns.ts";
