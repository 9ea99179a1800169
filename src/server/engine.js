// The coordinator's C++, ready on import. The one place that knows how it was built.
import create from '../../build/coordinator.mjs';
import wasmBinary from '../../build/coordinator.wasm.js';

const engine = { wasmBinary };
create(engine);

/** See src/bind/coordinator.cpp. */
export const Coordinator = engine.Coordinator;
