// SPDX-License-Identifier: Apache-2.0
/** The two jars as processes: tests of the promises to users, over HTTP and on the command line. */
package dev.flk.e2e;
