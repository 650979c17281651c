// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.reload;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Fingerprints of files, to be taken before the files are read. A fingerprint consists of the size, the inode, the time
 * of the last change of the content and, on Unix, the device and the time of the last change of the metadata; this last
 * time can't be set back. Links are followed, so that the swap of a link in the path, as in a Kubernetes volume, is
 * detected. Only one thread at a time may use an object of this class.
 */
public final class FileFingerprints {
    private final Map<Path, String> looks = new LinkedHashMap<>();

    /** Takes the fingerprint of a file; a missing file has a fingerprint, too. */
    public void add(Path file) {
        looks.put(file, look(file));
    }

    /** Returns whether the fingerprint of any added file has changed. */
    public boolean haveChanged() {
        return looks.entrySet().stream().anyMatch(each -> !each.getValue().equals(look(each.getKey())));
    }

    private static String look(Path file) {
        try {
            return Files.readAttributes(file, "unix:lastModifiedTime,ctime,size,ino,dev")
                    .toString();
        } catch (UnsupportedOperationException e) {
            return withoutInode(file);
        } catch (IOException e) {
            return "not there";
        }
    }

    private static String withoutInode(Path file) {
        try {
            BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
            return attributes.lastModifiedTime() + " " + attributes.size() + " " + attributes.fileKey();
        } catch (IOException e) {
            return "not there";
        }
    }
}
