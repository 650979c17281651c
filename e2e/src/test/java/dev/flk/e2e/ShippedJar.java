// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/**
 * A jar by its table of contents.
 *
 * @param file where it is
 * @param entries name to content, without directories
 */
record ShippedJar(Path file, Map<String, Content> entries) {

    /** What is enough to tell that two entries have the same bytes. */
    record Content(long crc, long bytes) {}

    static ShippedJar read(Path file) throws IOException {
        Map<String, Content> entries = new LinkedHashMap<>();
        try (ZipFile zip = new ZipFile(file.toFile())) {
            for (ZipEntry entry : zip.stream().toList()) {
                if (!entry.isDirectory()) {
                    entries.put(entry.getName(), new Content(entry.getCrc(), entry.getSize()));
                }
            }
        }
        return new ShippedJar(file, entries);
    }

    /** The texts of the entries whose names match, by name. */
    Map<String, String> texts(String regex) throws IOException {
        Map<String, String> texts = new TreeMap<>();
        try (ZipFile zip = new ZipFile(file.toFile())) {
            for (String name : entries.keySet()) {
                if (name.matches(regex)) {
                    texts.put(name, new String(bytes(zip, name), StandardCharsets.UTF_8));
                }
            }
        }
        return texts;
    }

    String text(String name) throws IOException {
        return new String(bytes(name), StandardCharsets.UTF_8);
    }

    byte[] bytes(String name) throws IOException {
        try (ZipFile zip = new ZipFile(file.toFile())) {
            return bytes(zip, name);
        }
    }

    private static byte[] bytes(ZipFile zip, String name) throws IOException {
        ZipEntry entry = Objects.requireNonNull(zip.getEntry(name), name);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (InputStream in = zip.getInputStream(entry)) {
            in.transferTo(bytes);
        }
        return bytes.toByteArray();
    }

    /** The name of an entry as the classes of any Java version see it. */
    static String unversioned(String entry) {
        return entry.replaceFirst("^META-INF/versions/[0-9]+/", "");
    }
}
