/** The agent program: its entry point. Nothing calls in; {@code cli} is where the commands are. */
@NullMarked
package dev.flk.agent;

import org.jspecify.annotations.NullMarked;
