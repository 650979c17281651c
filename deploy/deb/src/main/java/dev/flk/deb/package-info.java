// SPDX-License-Identifier: Apache-2.0
/** Builds the packages for Debian. */
@NullMarked
package dev.flk.deb;

import org.jspecify.annotations.NullMarked;
