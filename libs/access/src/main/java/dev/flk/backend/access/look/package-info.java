// SPDX-License-Identifier: Apache-2.0
/** How the command {@code health} of a program looks at its running process, its keys and its certificates. */
@NullMarked
package dev.flk.backend.access.look;

import org.jspecify.annotations.NullMarked;
