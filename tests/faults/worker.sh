#!/bin/sh
# Stands in for reelmill-worker. Called through a link; the file `script` beside the link names the test program and
# what it shall do. It becomes that program, with the control socket as standard input, since a test may not take over
# a bare descriptor.
home=${0%/*}
{ read -r program; read -r script; } < "$home/script"
case $script in
  exit-3) exit 3 ;;
  killed) kill -SEGV $$ ;;
  chatty-stderr) printf 'first words\n' >&2; printf 'last \033[31mwords' >&2; exit 1 ;;
  orphan) sleep 30 & exit 3 ;;
  stubborn) trap '' TERM ;;
esac
exec "$program" --exact fake::worker_process --ignored --nocapture -- "script=$script" "home=$home" "$@" <&3
