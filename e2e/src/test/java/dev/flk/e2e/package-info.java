// SPDX-License-Identifier: Apache-2.0
/** The two jars as processes: what is promised to outsiders, tried over HTTP and on the command line. */
package dev.flk.e2e;
