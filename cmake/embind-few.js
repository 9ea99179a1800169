// Embind's library of em++ 3.1.6, for a module that passes numbers and JavaScript's values to functions, and no classes, no
// texts (PEER_CDN_FEW_TYPES in src/bind/types.cpp). Types are registered before functions are, so no function waits for its
// types. 3 KB gzip less of the page.
mergeInto(LibraryManager.library, {
  $throwBindingError__deps: [],
  $throwBindingError: function (message) {
    throw new TypeError(message);
  },
  $readLatin1String__deps: [],
  $readLatin1String: function (ptr) {
    var text = '';
    while (HEAPU8[ptr]) text += String.fromCharCode(HEAPU8[ptr++]);
    return text;
  },
  $getStringOrSymbol__deps: ['$readLatin1String'],
  $getStringOrSymbol: function (address) {
    return readLatin1String(address);
  },

  // Of each argument to a function of JavaScript there are eight bytes.
  _embind_register_void__deps: ['$registeredTypes'],
  _embind_register_void: function (rawType) {
    registeredTypes[rawType] = { fromWireType: () => {}, toWireType: () => {} };
  },
  _embind_register_bool__deps: ['$registeredTypes'],
  _embind_register_bool: function (rawType) {
    registeredTypes[rawType] = {
      fromWireType: (value) => !!value,
      toWireType: (value) => +!!value,
      readValueFromPointer: (ptr) => !!HEAPU8[ptr],
    };
  },
  _embind_register_integer__deps: ['$registeredTypes'],
  _embind_register_integer: function (rawType, _name, _size, minRange) {
    registeredTypes[rawType] = {
      fromWireType: (value) => (minRange ? value : value >>> 0),
      toWireType: (value) => (minRange ? value : value >>> 0),
      readValueFromPointer: (ptr) => (minRange ? HEAP32 : HEAPU32)[ptr >> 2],
    };
  },
  _embind_register_emval__deps: ['$registeredTypes', '$Emval', '_emval_decref'],
  _embind_register_emval: function (rawType) {
    var type = {
      fromWireType: (handle) => {
        var value = Emval.toValue(handle);
        __emval_decref(handle);
        return value;
      },
      toWireType: (value) => Emval.toHandle(value),
      readValueFromPointer: (ptr) => type.fromWireType(HEAPU32[ptr >> 2]),
    };
    registeredTypes[rawType] = type;
  },
  $typesAt__deps: ['$registeredTypes'],
  $typesAt: function (count, ptr) {
    return [...HEAP32.subarray(ptr >> 2, (ptr >> 2) + count)].map((type) => registeredTypes[type]);
  },
  _embind_register_function__deps: ['$typesAt', '$readLatin1String', '$getWasmTableEntry'],
  _embind_register_function: function (name, argCount, rawArgTypesAddr, _signature, rawInvoker, fn) {
    var [result, ...parameters] = typesAt(argCount, rawArgTypesAddr);
    var invoke = getWasmTableEntry(rawInvoker);
    Module[readLatin1String(name)] = (...args) =>
      result.fromWireType(invoke(fn, ...parameters.map((type, i) => type.toWireType(args[i]))));
  },

  // The destructors are those of texts and classes.
  _emval_run_destructors__deps: [],
  _emval_run_destructors: function () {},
  _emval_get_method_caller__deps: ['$typesAt', '$emval_methodCallers'],
  _emval_get_method_caller: function (argCount, argTypes) {
    var [result, ...parameters] = typesAt(argCount, argTypes);
    var caller = (handle, name, args) => {
      var values = parameters.map((type, i) => type.readValueFromPointer(args + 8 * i));
      return result.toWireType(handle[name](...values));
    };
    return emval_methodCallers.push(caller) - 1;
  },
  _emval_call_method__deps: ['$Emval', '$readLatin1String', '$emval_methodCallers'],
  _emval_call_method: function (caller, handle, methodName, _destructorsRef, args) {
    return emval_methodCallers[caller](Emval.toValue(handle), readLatin1String(methodName), args);
  },
  _emval_call_void_method__deps: ['$Emval', '$readLatin1String', '$emval_methodCallers'],
  _emval_call_void_method: function (caller, handle, methodName, args) {
    emval_methodCallers[caller](Emval.toValue(handle), readLatin1String(methodName), args);
  },
  _emval_take_value__deps: ['$Emval', '$registeredTypes'],
  _emval_take_value: function (type, argv) {
    return Emval.toHandle(registeredTypes[type].readValueFromPointer(argv));
  },
});
