// SPDX-License-Identifier: Apache-2.0
/**
 * The handlers of the record of outcomes, for operators: reading it, following its changes, reviews, and backups. Only
 * {@code BackendServer} and the page for operators use them.
 */
@NullMarked
package dev.flk.backend.serve.record;

import org.jspecify.annotations.NullMarked;
