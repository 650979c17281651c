// SPDX-License-Identifier: Apache-2.0
/**
 * The view <i>Now</i>: the problems of a backend, its service levels, and what it counts by the minute for both. It links
 * to the lists of the other views. Used by {@code serve.NowWatch} and by its template.
 */
@NullMarked
package dev.flk.backend.serve.page.now;

import org.jspecify.annotations.NullMarked;
