// SPDX-License-Identifier: Apache-2.0
/** The steps of a verification with their numbers, for people. */
@NullMarked
package dev.flk.backend.explain;

import org.jspecify.annotations.NullMarked;
