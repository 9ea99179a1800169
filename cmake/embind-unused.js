// Replaces what Embind's library of em++ 3.1.6 hangs on every module and nobody here uses: delayed deletion, handles that
// are cloned, listed or counted. The linker drops what only these used.
mergeInto(LibraryManager.library, {
  $init_embind__deps: [],
  $init_embind: function () {},
  $init_emval__deps: [],
  $init_emval: function () {},
  $init_ClassHandle__deps: ['$ClassHandle_delete'],
  $init_ClassHandle: function () {
    ClassHandle.prototype['delete'] = ClassHandle_delete;
  },
});
