// SPDX-License-Identifier: Apache-2.0
/**
 * The reading of measurements from a CSV: how it is written, its columns, its numbers and times, and what a person
 * would have to say about it. Pure apart from reading the stream. The command line uses {@code CsvOptions}, {@code
 * CsvRows} and {@code Proposal}.
 */
@NullMarked
package dev.flk.agent.csv;

import org.jspecify.annotations.NullMarked;
