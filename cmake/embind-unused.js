// Replaces what Embind's library of em++ 3.1.6 hangs on every module and nobody here uses: delayed deletion, handles that
// are cloned or listed. The linker drops what only these used.
mergeInto(LibraryManager.library, {
  $init_embind__deps: [],
  $init_embind: function () {},
  $init_emval__deps: ['$count_emval_handles'],
  $init_emval: function () {
    Module['count_emval_handles'] = count_emval_handles;
  },
  $init_ClassHandle__deps: ['$ClassHandle_delete'],
  $init_ClassHandle: function () {
    ClassHandle.prototype['delete'] = ClassHandle_delete;
  },
});
