// SPDX-License-Identifier: Apache-2.0
/** Tests of the guarantees to users, with the two jars as processes, over HTTP and on the command line. */
package dev.flk.e2e;
