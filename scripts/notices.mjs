// What of others is inside the packed scripts, and under which licence: THIRD_PARTY_NOTICES, which the build writes.
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { which } from './run.mjs';

const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without
limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the
Software, and to permit persons to whom the Software is furnished to do so, subject to the following
conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions
of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED
TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL
THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER
DEALINGS IN THE SOFTWARE.`;

/** A file of the Emscripten that builds us: Debian has it apart from its commands. @param {string} path */
function ofEmscripten(path) {
  const folders = [dirname(realpathSync(which('em++') ?? '/')), '/usr/share/emscripten'];
  const folder = folders.find((each) => existsSync(join(each, path)));
  if (!folder) throw new Error(`there is no ${path} of Emscripten, whose licence is to be packed`);
  return readFileSync(join(folder, path), 'utf8').trim();
}

/** The text of the file. */
export const notices =
  () => `The scripts in dist/ contain parts of these works. Packages that npm installs beside have their own licences.

Emscripten, the glue around WebAssembly (https://emscripten.org): MIT or University of Illinois/NCSA
Copyright (c) 2010-2014 Emscripten authors, see its AUTHORS file

${mit}

----------------------------------------------------------------------

musl libc, in the WebAssembly modules (https://musl.libc.org):

${ofEmscripten('system/lib/libc/musl/COPYRIGHT')}

----------------------------------------------------------------------

libc++, libc++abi and compiler-rt of the LLVM project, in the WebAssembly modules (https://llvm.org): Apache License 2.0 with LLVM
Exceptions, https://llvm.org/LICENSE.txt. By the exception compiled code carries no further terms.
`;
