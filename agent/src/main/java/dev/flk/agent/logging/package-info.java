/**
 * How log lines leave the program: to standard error, in UTF-8, as text or JSON, which the command line sets up once; and how
 * those that could flood are held back, wherever they come from.
 */
@NullMarked
package dev.flk.agent.logging;

import org.jspecify.annotations.NullMarked;
