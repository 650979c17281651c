// SPDX-License-Identifier: Apache-2.0
/**
 * JSON Schemas of namespaces: compiling, and checking a value in one pass. {@code JsonSchemas} is the entry point; only
 * the state uses it.
 */
@NullMarked
package dev.flk.backend.state.schema;

import org.jspecify.annotations.NullMarked;
