// SPDX-License-Identifier: Apache-2.0
/** How the commands of a program ask the running program over HTTP. */
@NullMarked
package dev.flk.program.remote;

import org.jspecify.annotations.NullMarked;
