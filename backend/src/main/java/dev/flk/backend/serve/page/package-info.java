// SPDX-License-Identifier: Apache-2.0
/**
 * The page for operators: the content of each view, and its HTML. This package does not depend on HTTP; {@code
 * serve.PageHandler} serves it. Templates are in {@code src/main/jte/ui}.
 */
@NullMarked
package dev.flk.backend.serve.page;

import org.jspecify.annotations.NullMarked;
