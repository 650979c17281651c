// SPDX-License-Identifier: Apache-2.0
/**
 * The page for operators: what each view shows, and its HTML. Knows no HTTP; {@code http.PageHandler} serves it.
 * Templates are in {@code src/main/jte/ui}.
 */
@NullMarked
package dev.flk.backend.ui;

import org.jspecify.annotations.NullMarked;
