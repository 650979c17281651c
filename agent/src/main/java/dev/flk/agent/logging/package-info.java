/** How log lines leave the program: to standard error, in UTF-8, as text or JSON. The command line calls in, once. */
@NullMarked
package dev.flk.agent.logging;

import org.jspecify.annotations.NullMarked;
