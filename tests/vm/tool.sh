# Read by image.sh and run.sh: how a program of the unpacked packages in `tools`, in the current directory, is run: with its own libraries.
tool="tools/usr/lib64/ld-linux-x86-64.so.2 --library-path tools/usr/lib/x86_64-linux-gnu"
