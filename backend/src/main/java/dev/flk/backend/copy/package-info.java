// SPDX-License-Identifier: Apache-2.0
/** The copy of the inbox log on other machines. Only {@code run} constructs these objects. */
@NullMarked
package dev.flk.backend.copy;

import org.jspecify.annotations.NullMarked;
