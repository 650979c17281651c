// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.process;

import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Where the jars are that are measured: as the build leaves them, beside this one. */
public final class Jars {
    private Jars() {}

    /** This one. */
    public static Path own() {
        try {
            return Path.of(Jars.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation()
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The jar of {@code backend} or {@code agent}. */
    public static Path of(String module) {
        Path jar = own().toAbsolutePath()
                .resolve("../../..")
                .resolve(module)
                .resolve("target")
                .resolve("flk-" + module + ".jar")
                .normalize();
        if (!Files.exists(jar)) {
            throw new IllegalStateException("there is no " + jar + "; build it with mvn -DskipTests package");
        }
        return jar;
    }
}
