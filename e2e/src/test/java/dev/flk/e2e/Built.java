// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.nio.file.Files;
import java.nio.file.Path;

/** The locations of files that the build produces. */
final class Built {
    private Built() {}

    static Path root() {
        return Path.of(System.getProperty("flk.root", "..")).toAbsolutePath().normalize();
    }

    static Path jar(String program) {
        String module = program.equals("flk-state") ? "state/server" : program.substring(program.indexOf('-') + 1);
        Path jar = root().resolve(module).resolve("target").resolve(program + ".jar");
        if (!Files.exists(jar)) {
            throw new AssertionError(jar + " is not built; run mvn package first");
        }
        return jar;
    }
}
