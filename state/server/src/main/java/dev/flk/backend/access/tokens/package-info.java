// SPDX-License-Identifier: Apache-2.0
/**
 * The bearer tokens of operators and of callers of the state, with their rights. {@code state} asks
 * {@link dev.flk.backend.access.tokens.Tokens}, and {@code run} passes it to {@code sessions}; the configuration checks {@link dev.flk.backend.access.tokens.TokensFile}.
 * No message contains a token.
 */
@NullMarked
package dev.flk.backend.access.tokens;

import org.jspecify.annotations.NullMarked;
