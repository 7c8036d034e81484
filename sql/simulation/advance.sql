UPDATE simulation.clock SET ahead = make_interval(secs => $1::double precision)
